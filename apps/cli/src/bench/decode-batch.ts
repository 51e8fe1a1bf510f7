import type { Runner } from '@gateskip/backend';
import { AbortedError } from '@gateskip/errors';
import { densePlanOf } from '@gateskip/scheduler';

/**
 * Tokens per second of `count` sequences that decode together, greedily and densely, over `steps` steps.
 *
 * @param onStart called when prompts and warm-up are done and the clock starts
 */
export async function timeBatchDecode(
  runner: Runner,
  prompt: Int32Array,
  count: number,
  steps: number,
  signal: AbortSignal,
  onStart?: () => void,
): Promise<number> {
  const plan = densePlanOf(runner.config, runner.adapter?.calibration);
  const sequences: number[] = [];
  const rows = Int32Array.from({ length: count }, (_, row) => row);
  try {
    const tokens = new Int32Array(count);
    for (let index = 0; index < count; index++) {
      const sequence = runner.openSequence();
      sequences.push(sequence);
      // Each another text: the prompt, begun at another place.
      const turned = Int32Array.from(prompt, (_, position) => prompt[(position + index) % prompt.length] as number);
      const segments = [{ sequence, start: 0, length: turned.length, plan: 0 }];
      const outputs = Int32Array.of(turned.length - 1);
      const { top } = await runner.step({ tokens: turned, segments, outputs, topLogits: 1 }, [plan], signal);
      tokens[index] = top?.tokens[0] ?? 0;
    }
    const segments = sequences.map((sequence, start) => ({ sequence, start, length: 1, plan: 0 }));
    const warmUpSteps = 2;
    let startedMs = 0;
    for (let step = 0; step < warmUpSteps + steps; step++) {
      if (signal.aborted) throw new AbortedError('The measurement');
      if (step === warmUpSteps) {
        onStart?.();
        startedMs = performance.now();
      }
      const { top } = await runner.step({ tokens, segments, outputs: rows, topLogits: 1 }, [plan], signal);
      if (top) tokens.set(top.tokens);
    }
    return (count * steps) / ((performance.now() - startedMs) / 1000);
  } finally {
    for (const sequence of sequences) runner.closeSequence(sequence);
  }
}
