import type { Budget } from '@gateskip/scheduler';
import type { SkipStatistics } from './api.js';

/** Rows, kept rows and MACs of one part of a request. */
class Tally {
  rows = 0;
  macs = 0;
  denseMacs = 0;
  readonly kept: Float64Array; // [2L]

  constructor(branches: number) {
    this.kept = new Float64Array(branches);
  }

  clear(): void {
    this.rows = 0;
    this.macs = 0;
    this.denseMacs = 0;
    this.kept.fill(0);
  }
}

/** What one request's rows skipped and cost, prompt and answer apart. */
export class SkipTally {
  private readonly prefill: Tally;
  private readonly decode: Tally;

  constructor(branches: number) {
    this.prefill = new Tally(branches);
    this.decode = new Tally(branches);
  }

  /** @param kept rows kept per branch: [2L] */
  add(isPrompt: boolean, rows: number, kept: ArrayLike<number>, macs: number, denseMacs: number): void {
    const tally = isPrompt ? this.prefill : this.decode;
    tally.rows += rows;
    tally.macs += macs;
    tally.denseMacs += denseMacs;
    for (let branch = 0; branch < tally.kept.length; branch++) tally.kept[branch] = (tally.kept[branch] ?? 0) + (kept[branch] ?? 0);
  }

  clear(): void {
    this.prefill.clear();
    this.decode.clear();
  }

  summary(asked: Budget | undefined): SkipStatistics {
    const rows = this.prefill.rows + this.decode.rows;
    const branches = Array.from(this.prefill.kept, (kept, branch) =>
      rows === 0 ? 0 : 1 - (kept + (this.decode.kept[branch] ?? 0)) / rows,
    );
    return { asked, held: share([this.prefill, this.decode]), prefill: share([this.prefill]), decode: share([this.decode]), branches };
  }
}

/** Where nothing ran nothing was skipped and nothing saved: skip 0, net 1. */
function share(tallies: readonly Tally[]): { skip: number; net: number } {
  let evaluations = 0;
  let kept = 0;
  let macs = 0;
  let denseMacs = 0;
  for (const tally of tallies) {
    evaluations += tally.rows * tally.kept.length;
    for (const rows of tally.kept) kept += rows;
    macs += tally.macs;
    denseMacs += tally.denseMacs;
  }
  return { skip: evaluations === 0 ? 0 : 1 - kept / evaluations, net: denseMacs === 0 ? 1 : macs / denseMacs };
}
