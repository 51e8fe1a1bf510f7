import type { MachineMeasurement } from '@gateskip/backend-cpu';
import type { Output } from '../output/output.js';

export interface Limits {
  readonly one: MachineMeasurement;
  readonly all: MachineMeasurement;
}

/** The machine's limits now; undefined where the native backend, which measures them, cannot run. */
export async function measureLimits(threads: number, seconds: number, output: Output): Promise<Limits | undefined> {
  const { measureMachine } = await import('@gateskip/backend-cpu');
  const { signal } = output;
  try {
    const all = await measureMachine({ threads, seconds, signal });
    return { all, one: threads === 1 ? all : await measureMachine({ threads: 1, seconds, signal }) };
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'GS_BACKEND_UNAVAILABLE') throw error;
    return undefined;
  }
}
