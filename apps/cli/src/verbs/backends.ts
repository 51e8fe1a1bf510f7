import type { Availability } from '@gateskip/backend';
import type { Output } from '../output/output.js';
import { backendRegistry } from '../session/backends.js';

export interface BackendReport extends Availability {
  readonly name: string;
}

/** What each backend says about this machine. */
export async function probeBackends(): Promise<readonly BackendReport[]> {
  const registry = await backendRegistry();
  return Promise.all(
    registry.names.map(async (name) => {
      try {
        const { availability } = await registry.resolve(name);
        return { name, ...availability };
      } catch {
        return { name, available: false, reasons: await registry.explain(name), details: {} };
      }
    }),
  );
}

/** `cpu: yes (instructionSet avx2, threads 8)`, with the reasons below where it cannot run. */
export function backendLines(reports: readonly BackendReport[]): string {
  return reports
    .map(({ name, available, reasons, details }) => {
      const words = Object.entries(details).map(([key, value]) => `${key} ${value}`);
      const head = `${name}: ${available ? 'runs here' : 'cannot run here'}${words.length > 0 ? ` (${words.join(', ')})` : ''}\n`;
      return head + reasons.map((reason) => `  - ${reason}\n`).join('');
    })
    .join('');
}

/** Lists the backends, in the order in which `auto` tries them. */
export async function backends(output: Output): Promise<void> {
  const reports = await probeBackends();
  const automatic = reports.find(({ available }) => available)?.name ?? null;
  await output.print(backendLines(reports));
  await output.print(`auto takes ${automatic ?? 'none'}\n`);
  await output.document({ automatic, backends: reports });
}
