// Loads one model over and over through the addon alone, and sends what it answers: base64 of its logits, or the code.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

process.once('message', async ({ addonPath, request, step, rounds }) => {
  const addon = require(addonPath);
  for (let round = 0; round < rounds; round++) {
    const runner = await addon.load(request).promise;
    const sequence = runner.openSequence();
    const logits = new Float32Array(request.config.vocabularySize);
    try {
      await runner.step(step.blockFor[sequence], step.memory, { logits });
      process.send(Buffer.from(logits.buffer).toString('base64'));
    } catch (error) {
      process.send(error.nativeCode ?? String(error));
    }
    runner.close();
  }
  process.disconnect();
});
