import { referenceBackend } from '@gateskip/backend-reference';
import { scoreGroups, stepLimits } from '@gateskip/evaluate';
import { createRandomModel } from '@gateskip/model';

const runner = await referenceBackend.load(createRandomModel({ seed: 1 })); // or of loadModel('smollm2-135m')
const texts = [7, 8, 9].map((choice) => ({ tokens: Int32Array.of(5, 6, choice), scoredFrom: 2 }));
for await (const { texts: scores } of scoreGroups([{ texts }], { runner, policy: undefined, limits: stepLimits(runner) }))
  console.log(scores.map(({ logprobs }) => logprobs[0]));
await runner.close();
