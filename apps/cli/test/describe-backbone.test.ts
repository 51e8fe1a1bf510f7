import { createRandomAdapter } from '@gateskip/backend/conformance';
import { referenceBackend } from '@gateskip/backend-reference';
import { branchCount, densePlan } from '@gateskip/gate';
import { createRandomModel } from '@gateskip/model';
import { expect, it } from 'vitest';
import { describeBackbone } from '../src/verbs/describe-backbone.js';

const model = createRandomModel({ seed: 1 });

it('says what additions cost, as a backend counts it', async () => {
  const adapter = createRandomAdapter(model, { seed: 1, lora: { rank: 4, matrices: ['query', 'mlpDown'] }, norms: true });
  const described = await describeBackbone(adapter, model.config);
  const runner = await referenceBackend.load(model, { adapter });
  const segments = [{ sequence: runner.openSequence(), start: 0, length: 1, plan: 0 }];
  const { macs, denseMacs } = await runner.step({ tokens: Int32Array.of(1), segments, outputs: new Int32Array(0) }, [
    densePlan(branchCount(model.config)),
  ]);
  await runner.close();
  const macsPerRow = (macs[0] as number) - (denseMacs[0] as number);
  expect(described?.json.lora).toMatchObject({ rank: 4, macsPerRow, macShare: macsPerRow / (denseMacs[0] as number) });
  // Rank 4 on [64, 64] and [64, 96], in 3 layers.
  expect(described?.json.lora).toMatchObject({ parameters: 3456, bytes: 6912 });
  expect(described?.rows.map((row) => row.join(' '))).toEqual([
    'low-rank rank 4, alpha 2, on query, mlpDown',
    expect.stringMatching(/6\.8 KiB in bfloat16, \d+\.\d % of the dense layer MACs more/),
    'norms 7 of 7 replaced, 1.8 KiB',
  ]);
});

it('has nothing to say of gates alone', async () => {
  expect(await describeBackbone(createRandomAdapter(model, { seed: 1 }), model.config)).toBeUndefined();
});
