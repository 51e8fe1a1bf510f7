import type { Runner, Segment, StepResult } from '@gateskip/backend';
import { attentionCoreMacs, branchCount, type ModelShape, type Plan, rowCosts } from '@gateskip/gate';
import type { Lane } from './lane.js';

/** One logit. */
export interface RowPick {
  /** Place in the lane's `outputs`; does not descend from pick to pick. */
  readonly output: number;
  readonly token: number;
}

/** Rows of one lane for one step. */
export interface LaneRows {
  readonly lane: Lane;
  readonly tokens: Int32Array;
  /** Rows whose logits are wanted, from 0, ascending. */
  readonly outputs: readonly number[];
  /** Logits wanted of single tokens. */
  readonly picks?: readonly RowPick[];
  /** Rows of the same key are ranked together, where their plans agree. Only for policies that couple sequences. */
  readonly coupleKey?: string | undefined;
}

/** A step's result, and where each lane's outputs and picks begin in it. */
export interface RowsResult {
  readonly result: StepResult;
  readonly firstOutputs: readonly number[];
  readonly firstPicks: readonly number[];
}

/** Runs rows of several lanes in one step and tells each lane's policy what became of its own. */
export async function runRows(
  runner: Runner,
  parts: readonly LaneRows[],
  options: { readonly topLogits?: number; readonly signal?: AbortSignal | undefined },
): Promise<RowsResult> {
  const rows = parts.reduce((sum, part) => sum + part.tokens.length, 0);
  const tokens = new Int32Array(rows);
  const outputs: number[] = [];
  const firstOutputs: number[] = [];
  const picks: RowPick[] = [];
  const firstPicks: number[] = [];
  const segments: Segment[] = [];
  const plans: Plan[] = [];
  const planKeys: (string | undefined)[] = [];
  const isShared: boolean[] = [];
  let pinned: Uint8Array | undefined;
  let given: Float32Array | undefined; // [branches, rows]
  let start = 0;
  for (const { lane, tokens: own, outputs: wanted, picks: picked = [], coupleKey } of parts) {
    const { pinned: ownPinned, scores: ownScores, ...plan } = lane.plan(own.length);
    if (ownPinned?.includes(1)) (pinned ??= new Uint8Array(rows)).set(ownPinned, start);
    if (ownScores) {
      given ??= new Float32Array(plan.rules.length * rows);
      for (let branch = 0; branch < plan.rules.length; branch++)
        given.set(ownScores.subarray(branch * own.length, (branch + 1) * own.length), branch * rows + start);
    }
    let index = coupleKey === undefined ? -1 : planKeys.findIndex((key, at) => key === coupleKey && isSamePlan(plans[at] as Plan, plan));
    if (index >= 0) isShared[index] = true;
    else {
      index = plans.push(plan) - 1;
      planKeys.push(coupleKey);
      isShared.push(false);
    }
    tokens.set(own, start);
    segments.push({ sequence: lane.sequence, start, length: own.length, plan: index });
    firstOutputs.push(outputs.length);
    firstPicks.push(picks.length);
    for (const { output, token } of picked) picks.push({ output: outputs.length + output, token });
    for (const row of wanted) outputs.push(start + row);
    start += own.length;
  }
  const scores = parts.some(({ lane }) => lane.policy?.wantsScores);
  const keptRows = isShared.includes(true);
  const { topLogits, signal } = options;
  const result = await runner.step(
    {
      tokens,
      segments,
      outputs: Int32Array.from(outputs),
      ...(topLogits !== undefined && outputs.length > 0 && { topLogits }),
      ...(picks.length > 0 && {
        picks: { outputs: Int32Array.from(picks, ({ output }) => output), tokens: Int32Array.from(picks, ({ token }) => token) },
      }),
      ...((scores || keptRows) && { want: { scores, keptRows } }),
    },
    // Rows of different plans are different rows, so one array serves all of them.
    plans.map((plan) => ({ ...plan, ...(pinned && { pinned }), ...(given && plan.scorer === 'given' && { scores: given }) })),
    signal,
  );
  for (const [at, { lane }] of parts.entries()) observe(lane, segments[at] as Segment, result, rows, isShared);
  return { result, firstOutputs, firstPicks };
}

function observe(lane: Lane, segment: Segment, result: StepResult, allRows: number, isShared: readonly boolean[]): void {
  const { config } = lane.runner;
  const branches = branchCount(config);
  const { position } = lane;
  const { start, length: rows, plan } = segment;
  let kept: ArrayLike<number> = result.kept.subarray(plan * branches, (plan + 1) * branches);
  let macs = result.macs[plan] as number;
  let denseMacs = result.denseMacs[plan] as number;
  if (isShared[plan]) {
    // The backend counts per plan: kept rows are read from their flags, MACs are divided by what dense rows would cost.
    kept = countKept(result.keptRows as Uint8Array, branches, allRows, start, rows);
    const own = denseMacsOf(config, position, rows);
    macs = Math.round((macs * own) / denseMacs);
    denseMacs = own;
  }
  let sum = 0;
  for (let branch = 0; branch < branches; branch++) sum += kept[branch] as number;
  if (lane.policy) {
    const scores = lane.policy.wantsScores && result.scores ? ownColumns(result.scores, branches, allRows, start, rows) : undefined;
    lane.policy.observe({ position, rows, kept, macs, denseMacs, ...(scores && { scores }) });
  }
  lane.add(rows, { rows, kept: sum, macs, denseMacs });
}

function countKept(flags: Uint8Array, branches: number, allRows: number, start: number, rows: number): Uint32Array {
  const kept = new Uint32Array(branches);
  for (let branch = 0; branch < branches; branch++)
    for (let row = start; row < start + rows; row++) kept[branch] = (kept[branch] as number) + (flags[branch * allRows + row] as number);
  return kept;
}

/** [branches, rows] of one lane out of [branches, allRows]. */
function ownColumns(all: Float32Array, branches: number, allRows: number, start: number, rows: number): Float32Array {
  if (rows === allRows) return all;
  const own = new Float32Array(branches * rows);
  for (let branch = 0; branch < branches; branch++)
    own.set(all.subarray(branch * allRows + start, branch * allRows + start + rows), branch * rows);
  return own;
}

function denseMacsOf(shape: ModelShape, position: number, rows: number): number {
  const { attentionProjections, mlp } = rowCosts(shape);
  return shape.layers * (rows * (attentionProjections + mlp) + attentionCoreMacs(shape, rows * position + (rows * (rows + 1)) / 2));
}

function isSamePlan(a: Plan, b: Plan): boolean {
  return (
    a.scorer === b.scorer &&
    a.kv === b.kv &&
    a.seed === b.seed &&
    a.standIns === b.standIns &&
    a.rules.every((rule, branch) => rule === b.rules[branch] && a.values[branch] === b.values[branch])
  );
}
