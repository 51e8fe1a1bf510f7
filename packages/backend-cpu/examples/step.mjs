import { cpuBackend } from '@gateskip/backend-cpu';
import { densePlan } from '@gateskip/gate';
import { createRandomModel } from '@gateskip/model';

const runner = await cpuBackend.load(createRandomModel({ seed: 1, type: 'Q4_0' })); // or loadModel('smollm2-135m')
const segments = [{ sequence: runner.openSequence(), start: 0, length: 3, plan: 0 }];
const input = { tokens: Int32Array.of(5, 6, 7), segments, outputs: Int32Array.of(2), topLogits: 4 };
const { top, macs } = await runner.step(input, [densePlan(2 * runner.config.layers)]);
console.log(runner.details.instructionSet, 'next tokens', top.tokens, 'MACs', macs[0]);
await runner.close();
