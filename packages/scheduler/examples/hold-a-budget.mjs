import { createPolicy, formatBudget, parseBudget } from '@gateskip/scheduler';

// A made-up model of 12 branches whose calibration believes that scores are uniform in (0, 1); this text scores lower.
const shape = { layers: 6, hiddenSize: 64, heads: 4, kvHeads: 2, headSize: 16, intermediateSize: 128, vocabularySize: 1000 };
const gates = { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false };
const branches = 2 * shape.layers;
const knots = Array.from({ length: 10 }, (_, i) => i / 10);
const calibration = {
  kv: 'project',
  tokens: 1000,
  protectedBranches: [],
  pinnedTokens: 1,
  curve: knots.map((share) => ({ threshold: share, skip: share, net: 1 - share })),
  levels: [0, 1],
  branchQuantiles: Array.from({ length: branches }, () => [0, 1]),
};
const budget = parseBudget('25%');
const promptTokens = 16;
const sequence = createPolicy('global-threshold', { shape, gates, calibration, budget }).open({ promptTokens });

let skipped = 0;
for (let position = 0; position < promptTokens + 512; ) {
  const rows = Math.min(sequence.spanAt(position), position < promptTokens ? 8 : 1);
  const plan = sequence.plan(position, rows);
  // In place of a backend: scores are drawn, a row skips at or below the threshold.
  const kept = new Uint32Array(branches);
  for (let branch = 0; branch < branches; branch++) {
    for (let row = 0; row < rows; row++) {
      const score = ((((position + row) * 7919 + branch * 104729) % 1000) / 1000) ** 1.5;
      if (plan.pinned?.[row] || score > plan.values[branch]) kept[branch] += 1;
    }
  }
  const keptShare = kept.reduce((sum, count) => sum + count, 0) / (branches * rows);
  sequence.observe({ position, rows, kept, macs: keptShare * rows, denseMacs: rows });
  position += rows;
  if (position <= promptTokens) continue;
  skipped += 1 - keptShare;
  const decoded = position - promptTokens;
  if (decoded % 64 === 0) {
    console.log(
      `${decoded} tokens: asked ${formatBudget(budget)}, held ${((100 * skipped) / decoded).toFixed(2)} %, threshold ${plan.values[0].toFixed(3)}`,
    );
  }
}
