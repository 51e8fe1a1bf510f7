import { Candidates } from './candidates.js';
import { LogitsRow } from './logits-row.js';
import type { Random } from './random.js';
import { penalizeRepetition } from './repetition-penalty.js';
import type { SamplingSettings } from './sampling-settings.js';

/** Tokens looked at first when top-p alone decides how many are needed; eight times as many each time they fall short. */
const firstNucleus = 64;

/**
 * Chooses one token from one row of logits. Order of the filters:
 *
 * 1. repetition penalty (on raw logits)
 * 2. temperature 0: the largest logit, ties by lower id, and nothing else
 * 3. temperature
 * 4. top-k
 * 5. top-p over what top-k left, renormalised: the fewest leading tokens that reach it, at least one
 * 6. min-p: tokens at least that many times as likely as the likeliest
 * 7. one draw over what is left, renormalised
 *
 * One sampler serves all requests of an engine: it holds scratch buffers, no state.
 */
export class Sampler {
  private readonly candidates: Candidates;
  private readonly penalized: Float32Array; // [vocabulary]
  private readonly weights: Float64Array; // [vocabulary]
  private readonly penalizedRow = new LogitsRow();

  constructor(vocabularySize: number) {
    this.candidates = new Candidates(vocabularySize);
    this.penalized = new Float32Array(vocabularySize);
    this.weights = new Float64Array(vocabularySize);
  }

  /**
   * @param recent tokens that the repetition penalty looks at
   * @returns the token, or -1 where the row is not finite
   */
  sample(row: LogitsRow, settings: SamplingSettings, random: Random, recent: () => Iterable<number>): number {
    let from = row;
    if (settings.repetitionPenalty !== 1) {
      this.penalized.set(row.logits.subarray(row.offset, row.offset + row.count));
      penalizeRepetition(this.penalized, recent(), settings.repetitionPenalty);
      from = this.penalizedRow.useAll(this.penalized, 0, row.count);
    }
    const largest = from.largestLogit();
    if (Number.isNaN(largest)) return -1;
    if (settings.temperature === 0) return this.candidates.take(from, 1).tokens[0] ?? -1;
    if (settings.topK > 0 || settings.topP < 1) return this.sampleLeading(from, largest, settings, random);
    return this.sampleAll(from, largest, settings, random);
  }

  /** Top-k and top-p: over the candidates, likeliest first. */
  private sampleLeading(row: LogitsRow, largest: number, settings: SamplingSettings, random: Random): number {
    const { candidates, weights } = this;
    const { temperature, topK, topP, minP } = settings;
    let total = 0;
    if (topK > 0) {
      candidates.take(row, topK);
      for (let index = 0; index < candidates.count; index++) {
        total += weights[index] = Math.exp(((candidates.logits[index] ?? 0) - largest) / temperature);
      }
    } else {
      for (let token = 0; token < row.count; token++) total += Math.exp(((row.logits[row.offset + token] ?? 0) - largest) / temperature);
      this.takeNucleus(row, largest, temperature, topP * total);
    }
    let kept = 0;
    let sum = 0;
    while (kept < candidates.count && (kept === 0 || sum < topP * total) && (kept === 0 || (weights[kept] ?? 0) >= minP)) {
      sum += weights[kept] ?? 0;
      kept++;
    }
    const chosen = draw(weights, kept, sum, random);
    return candidates.tokens[chosen] ?? -1;
  }

  private takeNucleus(row: LogitsRow, largest: number, temperature: number, goal: number): void {
    const { candidates, weights } = this;
    for (let wanted = firstNucleus; ; wanted *= 8) {
      candidates.take(row, wanted);
      let sum = 0;
      for (let index = 0; index < candidates.count; index++) {
        sum += weights[index] = Math.exp(((candidates.logits[index] ?? 0) - largest) / temperature);
      }
      if (sum >= goal || candidates.count === row.count) return;
    }
  }

  /** Temperature and min-p alone need no order: over the vocabulary by id. */
  private sampleAll(row: LogitsRow, largest: number, settings: SamplingSettings, random: Random): number {
    const { weights } = this;
    let sum = 0;
    for (let token = 0; token < row.count; token++) {
      const weight = Math.exp(((row.logits[row.offset + token] ?? 0) - largest) / settings.temperature);
      sum += weights[token] = weight >= settings.minP ? weight : 0;
    }
    return draw(weights, row.count, sum, random);
  }
}

/** Index drawn in proportion to its weight. Rounding may leave a rest above the sum: the last weight above zero has it. */
function draw(weights: Float64Array, count: number, sum: number, random: Random): number {
  const goal = random.unit() * sum;
  let reached = 0;
  let last = 0;
  for (let index = 0; index < count; index++) {
    const weight = weights[index] ?? 0;
    if (weight === 0) continue;
    reached += weight;
    last = index;
    if (goal < reached) break;
  }
  return last;
}
