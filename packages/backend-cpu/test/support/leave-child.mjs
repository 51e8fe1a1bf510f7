// Leaves in the middle of a step, by the way that the first message names, through the addon alone.
import { createRequire } from 'node:module';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const require = createRequire(import.meta.url);

async function start({ addonPath, request, step }) {
  const runner = await require(addonPath).load(request).promise;
  const sequence = runner.openSequence();
  const running = runner.step(step.blockFor[sequence], step.memory, { logits: step.logits });
  return { running, runner };
}

if (!isMainThread) {
  await start(workerData);
  parentPort.postMessage('running');
  // Kept alive by the step alone.
} else {
  process.once('message', async (message) => {
    if (message.how === 'worker') {
      const worker = new Worker(new URL(import.meta.url), { workerData: message });
      await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
      process.send('left');
      process.disconnect();
      return;
    }
    const { running } = await start(message);
    process.send('left');
    if (message.how === 'exit') process.exit(0);
    process.disconnect();
    // A step in flight holds the process; a runner that nobody closed does not.
    await running;
    process.exitCode = 7;
  });
}
