import { createGateSet, gateForward, netFromSkips } from '@gateskip/gate';

const shape = { layers: 30, hiddenSize: 576, heads: 9, kvHeads: 3, headSize: 64, intermediateSize: 1536, vocabularySize: 49152 };
const skipShares = new Array(2 * shape.layers).fill(0.25);

for (const spec of [
  { variant: 'vector', sharing: 'separate', position: 'before', multiplies: true },
  { variant: 'low-rank', rank: 16, sharing: 'separate', position: 'before', multiplies: true },
  { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false },
]) {
  const set = createGateSet(spec, { layers: 1, hiddenSize: shape.hiddenSize }, { seed: 1 });
  const rows = Float32Array.from({ length: 2 * shape.hiddenSize }, (_, i) => Math.sin(i));
  const { score } = gateForward(spec, set.gates[0], rows, 2, shape.hiddenSize);
  const net = netFromSkips(shape, spec, { skipShares, context: 512, kv: 'project' });
  console.log(`${spec.variant}: scores ${[...score].map((s) => s.toFixed(4))}, net at 25 % skipped ${(100 * net).toFixed(1)} % of dense`);
}
