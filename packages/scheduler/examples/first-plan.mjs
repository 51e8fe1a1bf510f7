import { createPolicy, parseBudget } from '@gateskip/scheduler';

const shape = { layers: 30, hiddenSize: 576, heads: 9, kvHeads: 3, headSize: 64, intermediateSize: 1536, vocabularySize: 49152 };
const policy = createPolicy('random', { shape, budget: parseBudget('net=85%') });
const sequence = policy.open({ promptTokens: 20 });
const plan = sequence.plan(0, Math.min(20, sequence.spanAt(0)));
console.log(plan.rules[10], plan.values[10]);
// After the step: sequence.observe({ position: 0, rows: 20, kept, macs, denseMacs });
