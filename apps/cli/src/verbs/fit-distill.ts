import type { AdapterProvenance, GateAdapter, WriteAdapterOptions } from '@gateskip/model';
import type { DistillReport } from '@gateskip/train';
import { UsageError } from '../errors.js';
import { grouped } from '../output/format.js';
import type { FitVerbOptions } from './fit.js';

/** Options that say what the given gate file says already. */
const keptOptions = [
  ['kv', '--kv'],
  ['protect', '--protect'],
  ['pinned', '--pinned'],
  ['standInRank', '--stand-in-rank'],
  ['importance', '--importance'],
  ['rounds', '--rounds'],
] as const satisfies readonly (readonly [keyof FitVerbOptions, string])[];

/** @throws UsageError for what `--distill` cannot be asked together with */
export function checkDistillOptions(options: FitVerbOptions): void {
  const { distill } = options;
  if (distill === undefined) return;
  if (distill === '' || distill === 'none')
    throw new UsageError(`--distill ${distill || "''"} names no gate file.`, 'Give the file whose gates are to be distilled.', {
      what: '--distill',
    });
  if (options.import !== undefined)
    throw new UsageError('--distill and --import are two sources of gates.', 'Import first, then distill what that wrote.', {
      what: '--distill',
    });
  for (const [key, flag] of keptOptions) {
    if (options[key] === undefined) continue;
    throw new UsageError(
      `${flag} is of no use with --distill: stand-ins, K and V, pinned and protected are those of ${distill}.`,
      `Leave ${flag} out.`,
      { what: flag },
    );
  }
}

/** Longest text of a provenance that a file takes. */
const maxText = 4096;

/** What was kept comes from the text of the given file, so that text and its licence stay beside those of the heads. */
export function distilledProvenance(own: AdapterProvenance, { name, provenance: from }: GateAdapter): AdapterProvenance {
  const fit = (text: string): string => (text.length > maxText ? `${text.slice(0, maxText - 1)}…` : text);
  return {
    ...own,
    method: 'distill',
    data: fit(`gates distilled from "${name}" on ${own.data}; "${name}" itself (${from.method}): ${from.data}`),
    license: fit(own.license === from.license ? own.license : `${own.license}; "${name}": ${from.license}`),
  };
}

/** How good the heads are, of branches that may skip. */
export function headsLine({ branches, heldOutRows, gateMacs, from }: DistillReport): string {
  const free = branches.filter((branch) => !branch.protected);
  const spread = (values: readonly (number | null)[]): string => {
    const known = values.filter((value) => value !== null).sort((a, b) => a - b);
    if (known.length === 0) return 'unknown: the scores do not vary';
    return `least ${known[0]!.toFixed(3)}, median ${known[known.length >> 1]!.toFixed(3)}`;
  };
  return [
    `heads of ${free.length} branches against the ${from.spec.variant} gates of "${from.name}", on ${heldOutRows} held-out rows:`,
    `  R² of the score's logit   ${spread(free.map(({ heldOutR2 }) => heldOutR2))}`,
    `  rank correlation          ${spread(free.map((branch) => branch.rankCorrelation))}`,
    `  MACs of a score           ${grouped(gateMacs.after)} instead of ${grouped(gateMacs.before)}`,
    '',
  ].join('\n');
}

/** Low-rank numbers are written in half the bytes unless that would round some of those that were kept. */
export async function keptFactorType({ gates, backbone }: GateAdapter): Promise<WriteAdapterOptions> {
  const { bfloatToFloat, floatToBfloat } = await import('@gateskip/model');
  const factors = [...(gates.standInMaps ?? []), ...(backbone?.lora?.layers.flatMap((layer) => Object.values(layer)) ?? [])];
  const isExact = factors.every(({ down, up }) =>
    [down, up].every((values) => values.every((value) => bfloatToFloat(floatToBfloat(value)) === value)),
  );
  return isExact ? {} : { loraType: 'F32' };
}
