import type { StepInput } from '@gateskip/backend';
import type { Plan, Rule } from '@gateskip/gate';
import { KV_CODES, RULE_CODES, SCORER_CODES } from './encode-plan.js';

const HEADER_WORDS = 7;
const PLAN_WORDS = 3;
const WANT_SCORES = 1;
const WANT_KEPT_ROWS = 2;

/**
 * A step as one array of 32-bit words, which the addon reads in one go: a property of an object costs it more than the number in
 * it. The words, in order: the header; tokens; output rows; sequence, start, length and plan of each segment; outputs and tokens of picks; and per plan
 * its kinds, its seed, its share of low-rank additions (float32), its values (float32) and its rules (a byte each, padded to a word). native/step-worker.cc reads the same.
 *
 * One block serves all steps of a runner: the addon copies it before `step` returns.
 */
export class StepBlock {
  #words = new Uint32Array(0);
  #signed = new Int32Array(0);
  #floats = new Float32Array(0);
  #bytes = new Uint8Array(0);
  #segmentsAt = 0;

  constructor(private readonly branches: number) {}

  get words(): Uint32Array {
    return this.#words;
  }

  /** @param topCount 0: all logits */
  write(input: StepInput, plans: readonly Plan[], topCount: number): void {
    const { tokens, outputs, segments, picks, want } = input;
    const pickCount = picks?.tokens.length ?? 0;
    const { branches } = this;
    const ruleWords = (branches + 3) >> 2;
    const planWords = PLAN_WORDS + branches + ruleWords;
    this.#reserve(HEADER_WORDS + tokens.length + outputs.length + 4 * segments.length + 2 * pickCount + plans.length * planWords);
    const words = this.#words;
    words[0] = tokens.length;
    words[1] = outputs.length;
    words[2] = topCount;
    words[3] = segments.length;
    words[4] = plans.length;
    words[5] = (want?.scores ? WANT_SCORES : 0) | (want?.keptRows ? WANT_KEPT_ROWS : 0);
    words[6] = pickCount;
    this.#signed.set(tokens, HEADER_WORDS);
    this.#signed.set(outputs, HEADER_WORDS + tokens.length);
    let at = HEADER_WORDS + tokens.length + outputs.length;
    this.#segmentsAt = at;
    for (let index = 0; index < segments.length; index++, at += 4) {
      const segment = segments[index]!;
      words[at] = segment.sequence;
      words[at + 1] = segment.start;
      words[at + 2] = segment.length;
      words[at + 3] = segment.plan;
    }
    if (picks) {
      this.#signed.set(picks.outputs, at);
      this.#signed.set(picks.tokens, at + pickCount);
      at += 2 * pickCount;
    }
    for (let index = 0; index < plans.length; index++, at += planWords) {
      const plan = plans[index]!;
      words[at] = SCORER_CODES[plan.scorer] | (KV_CODES[plan.kv] << 8) | (plan.standIns === false ? 0 : 1 << 16);
      words[at + 1] = plan.seed ?? 0;
      this.#floats[at + 2] = plan.loraStrength ?? 1;
      this.#floats.set(plan.values, at + PLAN_WORDS);
      this.#writeRules(plan.rules, 4 * (at + PLAN_WORDS + branches));
    }
  }

  /** Calls back with the sequence and the rows of each segment of the step that was written last. */
  eachSegment(body: (sequence: number, rows: number) => void): void {
    const words = this.#words;
    const end = this.#segmentsAt + 4 * words[3]!;
    for (let at = this.#segmentsAt; at < end; at += 4) body(words[at]!, words[at + 2]!);
  }

  #writeRules(rules: readonly Rule[], at: number): void {
    const bytes = this.#bytes;
    let known: Rule | undefined;
    let code = 0;
    for (let branch = 0; branch < rules.length; branch++) {
      const rule = rules[branch]!;
      if (rule !== known) {
        code = RULE_CODES[rule];
        known = rule;
      }
      bytes[at + branch] = code;
    }
  }

  #reserve(words: number): void {
    if (words <= this.#words.length) return;
    this.#words = new Uint32Array(Math.max(words, 2 * this.#words.length));
    this.#signed = new Int32Array(this.#words.buffer);
    this.#floats = new Float32Array(this.#words.buffer);
    this.#bytes = new Uint8Array(this.#words.buffer);
  }
}
