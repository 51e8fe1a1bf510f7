import type { KvMode } from '@gateskip/gate';
import { createRandomModel, dequantize, type Model } from '@gateskip/model';
import type { Runner, SequenceId, StepResult } from '../../contract.js';
import { closeRows, compareResults, compareUsage } from '../compare.js';
import { check } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { requestOf, uniformPlan } from '../plans.js';
import { createRandomAdapter } from '../random-adapter.js';
import { play, someTokens, toInput } from '../scenario.js';
import { compareScenario, type Session, withSession } from '../session.js';

const KV_MODES: readonly KvMode[] = ['project', 'absent', 'alias'];

/** Forks, truncation, closing, and rows that skip everything. */
export function sequenceCases(options: ConformanceOptions): ConformanceCase[] {
  return [
    ...KV_MODES.map((kv) => ({ name: `sequences: fork, truncate, extend again, close, kv ${kv}`, run: () => forkCase(options, kv) })),
    ...KV_MODES.map((kv) => ({
      name: `sequences: no row kept leaves the residual and the stand-ins, kv ${kv}`,
      run: () => zeroKeptCase(options, kv),
    })),
  ];
}

/** The same random-scored steps on both runners, with sequences under the same numbers. */
async function forkCase(options: ConformanceOptions, kv: KvMode): Promise<string | undefined> {
  const model = createRandomModel({ seed: 51 });
  const plan = uniformPlan(model.config, 'random', 'threshold', 0.35, kv);
  const body = async (session: Session) => {
    const runners: readonly [Runner, Runner] = [session.oracle, session.tested];
    const ids: [SequenceId[], SequenceId[]] = [[], []];
    const both = async (what: string, action: (runner: Runner, sequences: SequenceId[]) => unknown) => {
      const results = [await action(runners[0], ids[0]), await action(runners[1], ids[1])] as [
        StepResult | undefined,
        StepResult | undefined,
      ];
      if (results[0]?.logits)
        compareResults(
          what,
          results[0],
          results[1]!,
          session.tolerance,
          results[0].keptRows!.length / plan.rules.length,
          model.config.vocabularySize,
        );
      compareUsage(`${what}, pool`, runners[0].kvUsage(), runners[1].kvUsage());
      for (const [i, id] of ids[0].entries()) {
        const other = ids[1][i]!;
        if (id < 0) continue;
        compareUsage(`${what}, sequence ${i}`, runners[0].kvUsage(id), runners[1].kvUsage(other));
        const lengths = [runners[0].sequenceLength(id), runners[1].sequenceLength(other)];
        check(lengths[0] === lengths[1], () => `${what}: sequence ${i} should have ${lengths[0]} tokens, has ${lengths[1]}.`);
      }
    };
    const step = (what: string, parts: readonly { sequence: number; tokens: readonly number[] }[]) =>
      both(what, (runner, sequences) => runner.step(toInput(parts, sequences), [plan]));
    const tokens = someTokens(60, model.config.vocabularySize, 9);
    await both('open', (runner, sequences) => void sequences.push(runner.openSequence()));
    await step('prompt', [{ sequence: 0, tokens: tokens.slice(0, 12) }]);
    await both('fork all', (runner, sequences) => void sequences.push(runner.fork(sequences[0]!)));
    await both('fork 5', (runner, sequences) => void sequences.push(runner.fork(sequences[0]!, 5)));
    await both('fork 0', (runner, sequences) => void sequences.push(runner.fork(sequences[0]!, 0)));
    await step(
      'all four go on',
      [0, 1, 2, 3].map((sequence) => ({ sequence, tokens: tokens.slice(12 + 3 * sequence, 15 + 3 * sequence) })),
    );
    await both('truncate the source into the shared part', (runner, sequences) => runner.truncate(sequences[0]!, 7));
    await step(
      'forks still see what the source forgot',
      [1, 2].map((sequence) => ({ sequence, tokens: [tokens[30 + sequence]!] })),
    );
    await step('the source goes on elsewhere', [{ sequence: 0, tokens: tokens.slice(33, 38) }]);
    await both('fork of a fork', (runner, sequences) => void sequences.push(runner.fork(sequences[2]!, 6)));
    await both('close the source', (runner, sequences) => {
      runner.closeSequence(sequences[0]!);
      sequences[0] = -1;
    });
    await step(
      'the rest goes on',
      [1, 2, 3, 4].map((sequence) => ({ sequence, tokens: [tokens[40 + sequence]!] })),
    );
    await both('truncate to nothing', (runner, sequences) => runner.truncate(sequences[1]!, 0));
    await step('from the start again', [{ sequence: 1, tokens: tokens.slice(0, 12) }]);
    await both('close all', (runner, sequences) => {
      for (const id of sequences.splice(0)) if (id >= 0) runner.closeSequence(id);
    });
    const { used, dense } = session.tested.kvUsage();
    check(used === 0 && dense === 0, () => `after closing all sequences ${used} K/V rows of ${dense} are still in use.`);
  };
  return withSession(options, model, undefined, body, requestOf(plan));
}

async function zeroKeptCase(options: ConformanceOptions, kv: KvMode): Promise<string | undefined> {
  const model = createRandomModel({ seed: 52 });
  const adapter = createRandomAdapter(model, { seed: 2, standIns: true });
  const rows = 7;
  const tokens = someTokens(rows, model.config.vocabularySize, 4);
  const steps = [[{ sequence: 0, tokens }]];
  const body = async (session: Session) => {
    const expected = await residualLogits(model, tokens, adapter.gates.standIns!);
    const without = await residualLogits(model, tokens, []);
    const plans = [
      ['repeat 0', uniformPlan(model.config, 'none', 'repeat', 0, kv), expected],
      ['threshold 1', uniformPlan(model.config, 'gate', 'threshold', 1, kv), expected],
      ['fraction 1', uniformPlan(model.config, 'gate', 'fraction', 1, kv), expected],
      ['repeat 0 without stand-ins', { ...uniformPlan(model.config, 'none', 'repeat', 0, kv), standIns: false }, without],
    ] as const;
    for (const [name, plan, logits] of plans) {
      const [step] = await compareScenario(session, { steps, plans: [plan] });
      check(
        step!.result.kept.every((count) => count === 0),
        () => `${name}: rows were kept: ${step!.result.kept.join(' ')}.`,
      );
      closeRows(`${name}, logits of the bare stream`, logits, step!.result.logits!, model.config.vocabularySize, session.tolerance.logits);
    }
    // Whatever came before, a row that skips everything sees nothing of it; one that keeps all sees what there is.
    const later = [...steps, [{ sequence: 0, tokens: [tokens[0]!], plan: 1 }]];
    await compareScenario(session, {
      steps: later,
      plans: [uniformPlan(model.config, 'none', 'repeat', 0, kv), uniformPlan(model.config, 'none', 'repeat', 1, kv)],
    });
    const plain = await play(session.tested, { steps: later, plans: [plans[0][1], plans[0][1]] });
    check(
      plain[1]!.result.kept.every((count) => count === 0),
      () => 'the second step kept rows.',
    );
  };
  return withSession(options, model, adapter, body, { scorer: 'gate', kv, rules: ['repeat', 'threshold', 'fraction'] });
}

/** Head over embedding plus all stand-ins, computed here: [rows, vocabulary]. */
async function residualLogits(model: Model, tokens: readonly number[], standIns: readonly Float32Array[]): Promise<Float32Array> {
  const { hiddenSize: d, vocabularySize, rmsNormEpsilon } = model.config;
  const read = async (name: string) => {
    const info = model.tensors.get(name)!;
    return dequantize(info.type, await model.read(name), info.rows * info.columns);
  };
  const [embedding, norm, head] = [await read('tokenEmbedding'), await read('outputNorm'), await read('output')];
  const logits = new Float32Array(tokens.length * vocabularySize);
  for (const [row, token] of tokens.entries()) {
    const stream = Float64Array.from(embedding.subarray(token * d, (token + 1) * d));
    for (const standIn of standIns) for (let i = 0; i < d; i++) stream[i]! += standIn[i]!;
    const scale = 1 / Math.sqrt(stream.reduce((sum, value) => sum + value * value, 0) / d + rmsNormEpsilon);
    for (let id = 0; id < vocabularySize; id++) {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += stream[i]! * scale * norm[i]! * head[id * d + i]!;
      logits[row * vocabularySize + id] = sum;
    }
  }
  return logits;
}
