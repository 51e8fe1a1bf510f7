import { UsageError } from '../errors.js';
import type { FitVerbOptions } from './fit.js';

type Flag = readonly [keyof FitVerbOptions, string];

/** Options of fitting itself: gates that come from a file are not fitted. */
const fittingOptions: readonly Flag[] = [
  ['standInRank', '--stand-in-rank'],
  ['importance', '--importance'],
  ['rounds', '--rounds'],
];
/** Options that say what a gate file says already. */
const fileOptions: readonly Flag[] = [
  ['kv', '--kv'],
  ['protect', '--protect'],
  ['pinned', '--pinned'],
];

/** @throws UsageError for what `--distill` and `--import` cannot be asked together with */
export function checkGateSource(options: FitVerbOptions): void {
  const { distill, import: imported } = options;
  if (distill !== undefined) {
    if (distill === '' || distill === 'none')
      throw new UsageError(`--distill ${distill || "''"} names no gate file.`, 'Give the file whose gates are to be distilled.', {
        what: '--distill',
      });
    if (imported !== undefined)
      throw new UsageError('--distill and --import are two sources of gates.', 'Import first, then distill what that wrote.', {
        what: '--distill',
      });
    refuse(options, [...fileOptions, ...fittingOptions], `--distill: stand-ins, K and V, pinned and protected are those of ${distill}.`);
  } else if (imported !== undefined) {
    // Distilling holds hidden states as a fit does, an import holds none.
    refuse(
      options,
      [...fittingOptions, ['memoryMib', '--memory-mib']],
      `--import: the gates of ${imported} are taken as they are, without stand-ins.`,
    );
  }
}

function refuse(options: FitVerbOptions, flags: readonly Flag[], why: string): void {
  for (const [key, flag] of flags) {
    if (options[key] === undefined) continue;
    throw new UsageError(`${flag} is of no use with ${why}`, `Leave ${flag} out.`, { what: flag });
  }
}
