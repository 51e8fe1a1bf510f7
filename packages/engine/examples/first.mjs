import { referenceBackend } from '@gateskip/backend-reference';
import { createEngine } from '@gateskip/engine';
import { createRandomModel } from '@gateskip/model';

const engine = await createEngine({ model: createRandomModel({ seed: 1 }), backend: referenceBackend });
const generation = engine.generate({ tokens: [3, 1, 4, 1, 5], maxTokens: 8, sampling: { temperature: 0.8, topK: 40, seed: 7 } });
for await (const chunk of generation) console.log(...chunk.tokens);
console.log((await generation.result).timings);
await engine.close();
