import { createGateSet, gateForward, netFromSkips } from '@gateskip/gate';

const shape = { layers: 30, hiddenSize: 576, heads: 9, kvHeads: 3, headSize: 64, intermediateSize: 1536, vocabularySize: 49152 };
const spec = { variant: 'low-rank', rank: 16, sharing: 'separate', position: 'before', multiplies: true };
const set = createGateSet(spec, shape, { seed: 1 });
const { score } = gateForward(spec, set.gates[0], new Float32Array(2 * 576).fill(0.1), 2, 576);
console.log(score, netFromSkips(shape, spec, { skipShares: new Array(60).fill(0.25), context: 512, kv: 'project' }));
