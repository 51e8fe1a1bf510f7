import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** llama.cpp's likeliest next tokens on real text, made by tools/peers/llama-cpp/logits.py. */
export interface Golden {
  readonly windows: number;
  readonly length: number;
  readonly top: number;
  /** [windows * length] */
  readonly tokens: Int32Array;
  /** [windows * length, top], descending */
  readonly topTokens: Int32Array;
  readonly topLogprobs: Float32Array;
}

export function readGolden(name: string): Golden {
  const document = JSON.parse(gunzipSync(readFileSync(new URL(`../fixtures/${name}`, import.meta.url))).toString());
  const bytes = (base64: string) => Uint8Array.from(Buffer.from(base64, 'base64')).buffer;
  return {
    ...document,
    tokens: new Int32Array(bytes(document.tokens)),
    topTokens: new Int32Array(bytes(document.topTokens)),
    topLogprobs: new Float32Array(bytes(document.topLogprobs)),
  };
}

export interface Agreement {
  readonly positions: number;
  readonly top1: number;
  /**
   * Mean KL(golden || ours) in nats with all tokens beyond the golden's top taken as one: a lower bound of the whole,
   * close to it where the top holds most of the mass.
   */
  readonly meanKl: number;
}

/** Adds one position's row of logits. */
export class AgreementCounter {
  #positions = 0;
  #same = 0;
  #divergence = 0;

  constructor(readonly golden: Golden) {}

  add(position: number, logits: Float32Array): void {
    const { top, topTokens, topLogprobs } = this.golden;
    let best = 0;
    for (let token = 1; token < logits.length; token++) if (logits[token]! > logits[best]!) best = token;
    let sum = 0;
    for (const logit of logits) sum += Math.exp(logit - logits[best]!);
    const logSum = logits[best]! + Math.log(sum);
    let theirRest = 1;
    let ourRest = 1;
    let divergence = 0;
    for (let i = position * top; i < (position + 1) * top; i++) {
      const theirs = topLogprobs[i]!;
      const ours = logits[topTokens[i]!]! - logSum;
      divergence += Math.exp(theirs) * (theirs - ours);
      theirRest -= Math.exp(theirs);
      ourRest -= Math.exp(ours);
    }
    if (theirRest > 0 && ourRest > 0) divergence += theirRest * Math.log(theirRest / ourRest);
    this.#divergence += divergence;
    this.#same += best === topTokens[position * top] ? 1 : 0;
    this.#positions++;
  }

  get result(): Agreement {
    return { positions: this.#positions, top1: this.#same / this.#positions, meanKl: this.#divergence / this.#positions };
  }
}
