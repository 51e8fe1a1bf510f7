/** What rows kept and cost. Sums of integers: exact, in whatever order they were added. */
export interface Usage {
  readonly rows: number;
  /** Branch evaluations computed, of `rows x branches`. */
  readonly kept: number;
  readonly macs: number;
  readonly denseMacs: number;
}

export const noUsage: Usage = { rows: 0, kept: 0, macs: 0, denseMacs: 0 };

export function addUsage(a: Usage, b: Usage): Usage {
  return { rows: a.rows + b.rows, kept: a.kept + b.kept, macs: a.macs + b.macs, denseMacs: a.denseMacs + b.denseMacs };
}

export function subtractUsage(a: Usage, b: Usage): Usage {
  return { rows: a.rows - b.rows, kept: a.kept - b.kept, macs: a.macs - b.macs, denseMacs: a.denseMacs - b.denseMacs };
}

/** Shares as budgets name them. */
export interface Held {
  /** Share of branch evaluations skipped. */
  readonly skip: number;
  /** Share of the dense layer MACs spent, gates included. */
  readonly net: number;
}

export function heldOf(usage: Usage, branches: number): Held {
  if (usage.rows === 0) return { skip: 0, net: 1 };
  return { skip: 1 - usage.kept / (usage.rows * branches), net: usage.macs / usage.denseMacs };
}
