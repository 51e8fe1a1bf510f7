import { createRandomModel } from '@gateskip/model';
import type { StepInput, TopLogits } from '../../contract.js';
import { exactly } from '../compare.js';
import { check } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense } from '../plans.js';
import { someTokens, toInput } from '../scenario.js';
import { type Session, withSession } from '../session.js';

/** What comes back: chosen output rows, highest logits. */
export function resultCases(options: ConformanceOptions): ConformanceCase[] {
  return [
    { name: 'results: the highest logits are those of the full row', run: () => topLogitsCase(options) },
    { name: 'results: picked logits are those of the full row', run: () => picksCase(options) },
    { name: 'results: only the rows asked for, or none', run: () => outputsCase(options) },
  ];
}

const ROWS = 6;

async function topLogitsCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 61 });
  const { vocabularySize } = model.config;
  return withSession(options, model, undefined, async ({ tested }) => {
    const plans = [dense(model.config)];
    const parts = [{ sequence: 0, tokens: someTokens(ROWS, vocabularySize) }];
    const { logits } = await tested.step(toInput(parts, [tested.openSequence()]), plans);
    for (const asked of [1, 5, vocabularySize, 1024]) {
      const { top, logits: unasked } = await tested.step(toInput(parts, [tested.openSequence()], { topLogits: asked }), plans);
      check(
        top !== undefined && unasked === undefined,
        () => `topLogits ${asked}: top is ${top ? 'there' : 'missing'}, logits are ${unasked ? 'there' : 'absent'}.`,
      );
      checkTop(top, logits!, vocabularySize, Math.min(asked, vocabularySize));
    }
  });
}

function checkTop(top: TopLogits, logits: Float32Array, vocabularySize: number, count: number): void {
  const outputs = logits.length / vocabularySize;
  check(top.count === count && top.tokens.length === outputs * count && top.logits.length === outputs * count, () => {
    return `top has count ${top.count}, ${top.tokens.length} tokens, ${top.logits.length} logits for ${outputs} rows of ${count}.`;
  });
  for (let output = 0; output < outputs; output++) {
    const row = logits.subarray(output * vocabularySize, (output + 1) * vocabularySize);
    const order = Int32Array.from(row, (_, token) => token)
      .sort((a, b) => row[b]! - row[a]! || a - b)
      .slice(0, count);
    exactly(`top tokens of row ${output}`, order, top.tokens.slice(output * count, (output + 1) * count));
    exactly(
      `top logits of row ${output}`,
      Float32Array.from(order, (token) => row[token]!),
      top.logits.slice(output * count, (output + 1) * count),
    );
    const highest = row[order[0]!]!;
    const expected = highest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - highest), 0));
    // One float32 rounding of the result, and as many again for a sum in float32.
    const allowed = 2 ** -20 * Math.max(1, Math.abs(expected));
    check(
      Math.abs(top.logSumExp[output]! - expected) <= allowed,
      () => `logSumExp of row ${output}: expected ${expected}, got ${top.logSumExp[output]}.`,
    );
  }
}

async function picksCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 63 });
  const { vocabularySize } = model.config;
  return withSession(options, model, undefined, async ({ tested }) => {
    const plans = [dense(model.config)];
    const parts = [{ sequence: 0, tokens: someTokens(ROWS, vocabularySize) }];
    // Places in the outputs, not rows: row 0 is none of them. Several of one, none of another, the first and the last token.
    const outputs = Int32Array.of(1, 2, 4, 5);
    const picks = { outputs: Int32Array.of(0, 0, 0, 2, 3, 3), tokens: Int32Array.of(7, 0, vocabularySize - 1, 7, 5, 5) };
    const nothing = { outputs: new Int32Array(0), tokens: new Int32Array(0) };
    const step = (more: Partial<StepInput>) => tested.step({ ...toInput(parts, [tested.openSequence()]), outputs, ...more }, plans);
    const { logits, picked: unasked } = await step({});
    check(unasked === undefined, () => 'no picks asked: expected none.');
    const expected = Float32Array.from(picks.tokens, (token, index) => logits![picks.outputs[index]! * vocabularySize + token]!);
    exactly('picks beside all logits', expected, (await step({ picks })).picked ?? new Float32Array(0));
    const { picked, top, scores, keptRows } = await step({ picks, topLogits: 2, want: { scores: true, keptRows: true } });
    exactly('picks beside the highest logits', expected, picked ?? new Float32Array(0));
    check(top?.tokens.length === 2 * outputs.length, () => 'picks beside the highest logits: these are not all there.');
    const cells = 2 * model.config.layers * ROWS;
    check(
      scores?.length === cells && keptRows?.every((kept) => kept === 1) === true,
      () => 'picks beside scores and kept rows: these are not all there.',
    );
    check((await step({ picks: nothing, topLogits: 1 })).picked?.length === 0, () => 'no picks wanted: expected an empty array.');
  });
}

async function outputsCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 62 });
  const { vocabularySize } = model.config;
  return withSession(options, model, undefined, async ({ tested }: Session) => {
    const plans = [dense(model.config)];
    const input = (outputs: number[], topLogits?: number) => ({
      ...toInput(
        [{ sequence: 0, tokens: someTokens(ROWS, vocabularySize) }],
        [tested.openSequence()],
        topLogits === undefined ? {} : { topLogits },
      ),
      outputs: Int32Array.from(outputs),
    });
    const all = (await tested.step(input([0, 1, 2, 3, 4, 5]), plans)).logits!;
    const some = (await tested.step(input([1, 4]), plans)).logits!;
    exactly(
      'output rows 1 and 4',
      Float32Array.of(...all.subarray(vocabularySize, 2 * vocabularySize), ...all.subarray(4 * vocabularySize, 5 * vocabularySize)),
      some,
    );
    const none = await tested.step(input([]), plans);
    check(none.logits?.length === 0, () => `no output row asked: expected logits of length 0, got ${none.logits?.length}.`);
    const noTop = await tested.step(input([], 4), plans);
    check(noTop.top?.tokens.length === 0 && noTop.top.logSumExp.length === 0, () => 'no output row asked: expected an empty top.');
  });
}
