import { referenceBackend } from '@gateskip/backend-reference';
import { createRandomModel } from '@gateskip/model';
import { fitAdapter } from '@gateskip/train';

// A small model of random weights, so that the example runs anywhere; with a real one: openModel('model.gguf').
const model = createRandomModel({ seed: 1, config: { layers: 4 } });
const sequences = Array.from({ length: 16 }, (_, row) => Int32Array.from({ length: 64 }, (_, column) => (row * row + 7 * column) % 128));

const { adapter, report } = await fitAdapter({
  model,
  backend: referenceBackend,
  sequences,
  name: 'example',
  provenance: { method: 'fit', command: 'node fit.mjs', data: 'made up', license: 'CC0-1.0', created: '2026-01-01', version: '0.1.0' },
  options: { curveShares: [0.1, 0.3, 0.6], weightTokens: 64, curveTokens: 256 },
  onProgress: ({ phase, done, total }) => {
    if (done === total) console.log(`${phase}: done`);
  },
});
console.log(`${adapter.gates.gates.length} gates, dense perplexity ${report.densePerplexity.toFixed(1)}`);
for (const { threshold, skip, net, kl } of report.knots) {
  console.log(`threshold ${threshold.toFixed(3)}: skips ${(100 * skip).toFixed(1)} %, net ${net.toFixed(3)}, KL to dense ${kl.toFixed(4)}`);
}
