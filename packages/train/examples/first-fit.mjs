import { referenceBackend } from '@gateskip/backend-reference';
import { createRandomModel } from '@gateskip/model';
import { fitAdapter } from '@gateskip/train';

const model = createRandomModel({ seed: 1, config: { layers: 4 } }); // or loadModel('smollm2-135m')
const sequences = Array.from({ length: 16 }, (_, i) => Int32Array.from({ length: 64 }, (_, j) => (i * i + 7 * j) % 128));
const provenance = { method: 'fit', command: '-', data: 'made up', license: 'CC0-1.0', created: '2026-01-01', version: '0.1.0' };
const options = { curveShares: [0.1, 0.3, 0.6], weightTokens: 64, curveTokens: 256 };
const { report } = await fitAdapter({ model, backend: referenceBackend, sequences, name: 'example', provenance, options });
console.table(report.knots);
