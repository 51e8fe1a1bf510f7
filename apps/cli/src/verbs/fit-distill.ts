import type { AdapterProvenance, GateAdapter, WriteAdapterOptions } from '@gateskip/model';
import type { DistillReport } from '@gateskip/train';
import { grouped } from '../output/format.js';

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
