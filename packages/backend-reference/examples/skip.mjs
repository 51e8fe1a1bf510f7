import { createRandomAdapter } from '@gateskip/backend/conformance';
import { referenceBackend } from '@gateskip/backend-reference';
import { createRandomModel } from '@gateskip/model';

const model = createRandomModel({ seed: 1 });
const adapter = createRandomAdapter(model, { seed: 1, standIns: true });
const runner = await referenceBackend.load(model, { adapter });
const tokens = Int32Array.from({ length: 12 }, (_, i) => 7 * i);
const branches = 2 * model.config.layers;

for (const share of [0, 0.25, 0.5]) {
  const sequence = runner.openSequence();
  const plan = {
    scorer: 'gate',
    rules: new Array(branches).fill('fraction'),
    values: new Float32Array(branches).fill(share),
    kv: 'absent',
  };
  const input = { tokens, segments: [{ sequence, start: 0, length: tokens.length, plan: 0 }], outputs: new Int32Array(0) };
  const { kept, macs, denseMacs } = await runner.step(input, [plan]);
  const { used, dense } = runner.kvUsage(sequence);
  console.log(
    `skip ${share}: kept ${kept.join(' ')}, ${((100 * macs[0]) / denseMacs[0]).toFixed(1)} % of the dense MACs, ${used} of ${dense} K/V rows`,
  );
  runner.closeSequence(sequence);
}
await runner.close();
