import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compareTask, harnessChoices } from '../lm-eval/agreement.mjs';
import { harnessRecord, taskFiles } from '../lm-eval/records.mjs';
import { scoreSequence } from '../lm-eval/score-sequence.mjs';

describe('records in the fields of the harness', () => {
  it('give its templates the very texts that gateskip eval scores', () => {
    const choices = ['one', 'two', 'three'];
    expect(harnessRecord('piqa', { prompt: 'Question: a\nb\nAnswer:', choices, answer: 1 })).toEqual({
      goal: 'a\nb',
      sol1: 'one',
      sol2: 'two',
      label: 1,
    });
    expect(harnessRecord('arc_easy', { prompt: 'Question: q\nAnswer:', choices, answer: 2 })).toEqual({
      question: 'q',
      choices: { text: choices, label: ['A', 'B', 'C'] },
      answerKey: 'C',
    });
    const { activity_label, ctx_a, ctx_b } = harnessRecord('hellaswag', { prompt: 'Sail: x: y', choices, answer: 0 });
    // What the harness's preprocessing makes of it.
    expect(`${activity_label}: ${ctx_a} ${ctx_b}`.trim()).toBe('Sail: x: y');
  });

  it('refuse what is framed otherwise', () => {
    expect(() => harnessRecord('piqa', { prompt: 'Q: a', choices: ['b', 'c'], answer: 0 })).toThrow('framed');
    expect(() => harnessRecord('mmlu', {})).toThrow('Known: hellaswag');
  });

  it('have a definition each, which takes the harness own one', () => {
    for (const task of Object.keys(taskFiles)) {
      const yaml = readFileSync(fileURLToPath(new URL(`../lm-eval/tasks/${task}.yaml`, import.meta.url)), 'utf8');
      expect(yaml).toMatch(/^include: \.\.\/harness\//m);
      expect(yaml).toContain(`task: local_${task}\n`);
      expect(yaml).toContain(`records/${task}.jsonl`);
    }
  });
});

describe('comparing with the harness', () => {
  const choice = (continuation, logprob) => ({ context: 'c', continuation, logprob, isGreedy: false });

  it('takes characters for acc_norm, and believes only choices that give the printed metrics', () => {
    // Two characters of two bytes each against three of one.
    const choices = [choice(' éé', -4), choice(' abc', -6.3)];
    expect(harnessChoices({ choices, acc: 1, accNorm: 1, target: '0' })).toEqual({ acc: 0, accNorm: 0 });
    expect(() => harnessChoices({ choices, acc: 0, accNorm: 1, target: '0' })).toThrow('say otherwise');
  });

  it('counts and lists what differs', () => {
    const theirs = [
      { choices: [choice(' éé', -4), choice(' ab', -3)], acc: 0, accNorm: 0, target: '0' },
      { choices: [choice(' a', -1), choice(' b', -2)], acc: 1, accNorm: 1, target: '0' },
    ];
    const ours = [
      { logprobs: [-4, -3], choice: 1, choiceNorm: 0, scores: { acc: 0, acc_norm: 1 } },
      { logprobs: [-1, -2.5], choice: 0, choiceNorm: 0, scores: { acc: 1, acc_norm: 1 } },
    ];
    const found = compareTask('piqa', ours, theirs);
    expect(found).toMatchObject({ items: 2, sameAcc: 2, sameAccNorm: 1, logprobs: 4, identical: 3, largestDifference: 0.5 });
    expect(found.differences).toHaveLength(1);
    expect(found.differences[0]).toMatchObject({ item: 1, differs: ['acc_norm'], lines: [{ characters: 2, bytes: 4 }, { bytes: 2 }] });
    expect(() => compareTask('piqa', ours.slice(1), theirs)).toThrow('1 items here');
  });
});

describe('scores of a whole sequence', () => {
  it('are log-softmax of the logits before each token, and the sequence is closed', async () => {
    const open = new Set();
    // The logit of token t after token s is 1 where t = s + 1, else 0.
    const runner = {
      config: { vocabularySize: 4 },
      openSequence: () => open.add(1) && 1,
      closeSequence: (id) => open.delete(id),
      step: async ({ tokens, outputs }) => ({
        logits: Float32Array.from([...outputs].flatMap((row) => [0, 1, 2, 3].map((token) => (token === (tokens[row] + 1) % 4 ? 1 : 0)))),
        kept: [],
        macs: [1],
        denseMacs: [1],
      }),
    };
    const { logprobs, top } = await scoreSequence(runner, undefined, {}, [0, 1, 3]);
    const logSum = Math.log(Math.E + 3);
    expect(logprobs[0]).toBeNull();
    expect(logprobs[1]).toBeCloseTo(1 - logSum, 12);
    expect(logprobs[2]).toBeCloseTo(-logSum, 12);
    expect(top.map(({ token }) => token)).toEqual([1, 2, 0]);
    expect(open.size).toBe(0);
  });
});
