// Four requests at once on a small random model, the last two under a budget; needs no download.
import { referenceBackend } from '@gateskip/backend-reference';
import { createEngine } from '@gateskip/engine';
import { createRandomModel } from '@gateskip/model';

const engine = await createEngine({ model: createRandomModel({ seed: 1 }), backend: referenceBackend });
const prompt = [3, 1, 4, 1, 5, 9, 2, 6];
const requests = [
  { tokens: prompt, maxTokens: 12 },
  { tokens: prompt, maxTokens: 12, sampling: { temperature: 0.8, topK: 40, seed: 7 } },
  // The random policy needs no gate adapter: the baseline that learned gates are compared with.
  { tokens: prompt, maxTokens: 12, budget: { skip: 0.25 }, policy: 'random' },
  { tokens: prompt, maxTokens: 12, budget: { skip: 0.25 }, policy: 'random', kv: 'absent' },
];

for (const result of await Promise.all(requests.map((request) => engine.generate(request).result))) {
  const { skip, kvRows, tokens, policy } = result;
  const saved = `${(100 * skip.held.skip).toFixed(0)} % skipped, ${(100 * skip.held.net).toFixed(0)} % of the MACs`;
  console.log(`${policy}: ${tokens.join(' ')} (${saved}, K/V rows ${kvRows.used} of ${kvRows.dense})`);
}

const generation = engine.generate({ tokens: prompt, maxTokens: 1000, overflow: 'clamp' });
let seen = 0;
for await (const chunk of generation) {
  seen += chunk.tokens.length;
  if (seen >= 5) break;
}
console.log(`Left the loop after ${seen} tokens; the rest was never computed.`);
await engine.close();
