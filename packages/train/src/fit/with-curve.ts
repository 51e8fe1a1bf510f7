import type { GateAdapter } from '@gateskip/model';
import type { Curve } from './calibrate.js';
import { quantilesOf } from './quantiles.js';

/** An adapter that serves budgets by a measured curve, and by quantiles of its scores where nothing skips. */
export function withCurve(adapter: GateAdapter, { knots, branchSkips, tokens }: Curve, scores: readonly Float64Array[]): GateAdapter {
  // What a point costs in quality is of this text, and stays in the report.
  const curve = knots.map(({ kl, top1, perplexity, ...knot }) => knot);
  return { ...adapter, calibration: { ...adapter.calibration, tokens, curve, ...quantilesOf(scores), branchSkips } };
}
