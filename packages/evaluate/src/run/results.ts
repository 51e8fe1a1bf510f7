import type { ProgramIsolation } from '../execution/isolation.js';
import type { Held, Usage } from '../scoring/usage.js';
import type { PairedDifference } from '../statistics/bootstrap.js';

/** What one item gave. */
export interface ItemResult {
  readonly id: string;
  readonly hash: string;
  readonly group?: string;
  /** Numbers that metrics are means of: `acc`, `acc_norm`, `logprob`, `em`... */
  readonly scores: Readonly<Record<string, number>>;
  /** Log-probability of each choice, or of the last word. */
  readonly logprobs?: readonly number[];
  readonly choice?: number;
  readonly choiceNorm?: number;
  readonly answer?: number;
  /** What was written. */
  readonly text?: string;
  readonly finish?: 'stop' | 'length';
  /** What became of its program, where it was run. */
  readonly outcome?: string;
  readonly cutTokens: number;
  readonly usage: Usage;
}

export interface TaskResult {
  readonly items: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly standardErrors: Readonly<Record<string, number>>;
  readonly held: Held;
  /** Items whose start was cut because it did not fit the context. */
  readonly cutItems: number;
  /** Minus dense on the same items. Absent for dense and where dense was not run. */
  readonly pairedAgainstDense?: Readonly<Record<string, PairedDifference>>;
  /** Metrics per subject, where items have one. */
  readonly groups?: Readonly<Record<string, { readonly items: number; readonly metrics: Readonly<Record<string, number>> }>>;
  readonly perItem: readonly ItemResult[];
}

/** One window of a text. */
export interface WindowResult {
  /** First scored token. */
  readonly id: string;
  readonly tokens: number;
  /** Sums over the window: `nll`; or `kl`, `top1`, `top5`. */
  readonly sums: Readonly<Record<string, number>>;
  readonly usage: Usage;
  /** Of agreement, where the first rows were not compared: of the others. */
  readonly comparedUsage?: Usage;
}

export interface PerplexityResult {
  /** exp of the mean negative log-probability. */
  readonly perToken: number;
  readonly perWord: number;
  readonly perByte: number;
  readonly bitsPerByte: number;
  /** Of `perToken`, by bootstrap over windows. */
  readonly standardError: number;
  readonly tokens: number;
  readonly held: Held;
  /** Of the log of `perToken`: log(perplexity) minus the dense one's. */
  readonly pairedAgainstDense?: PairedDifference;
  readonly windows: readonly WindowResult[];
}

export interface AgreementResult {
  /** Mean KL(dense || policy) per token, in nats. */
  readonly kl: number;
  /** Share of tokens where both think the same one the likeliest. */
  readonly top1: number;
  /** Share of tokens where the dense model's likeliest is among the policy's five. */
  readonly top5: number;
  /** By bootstrap over windows. */
  readonly standardErrors: { readonly kl: number; readonly top1: number; readonly top5: number };
  readonly tokens: number;
  readonly held: Held;
  /** Of the compared rows alone, where the first rows of windows were not compared. */
  readonly heldCompared?: Held;
  readonly windows: readonly WindowResult[];
}

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Tokens per second of one sequence alone, over rounds in turns with the other runs. */
export interface SpeedResult {
  readonly prefill: Spread;
  readonly decode: Spread;
  /** Over dense, round by round; absent where dense was not run. */
  readonly prefillOverDense?: Spread;
  readonly decodeOverDense?: Spread;
  /** What was held meanwhile. */
  readonly prefillHeld: Held;
  readonly decodeHeld: Held;
  readonly promptTokens: number;
  readonly decodeTokens: number;
  readonly rounds: number;
}

export interface RunResult {
  readonly label: string;
  readonly policy: string;
  readonly policyOptions: Readonly<Record<string, unknown>> | null;
  /** `net=85%`; null for dense. */
  readonly budgetAsked: string | null;
  /** Over all tasks and texts. */
  readonly held: Held;
  readonly tasks: Readonly<Record<string, TaskResult>>;
  readonly perplexity: PerplexityResult | null;
  readonly agreement: AgreementResult | null;
  readonly speed: SpeedResult | null;
}

export interface DataDescription {
  readonly source: string;
  readonly sha256: string;
  /** Records in the file. */
  readonly records: number;
  readonly items: number;
  /** Over the ids and hashes of the items: equal where the same items were scored. */
  readonly itemsSha256: string;
  readonly fewShot: number;
  readonly chat: boolean;
  readonly metrics: readonly string[];
  /** Metrics of the task that are absent, and why. */
  readonly unscored?: { readonly metrics: readonly string[]; readonly reason: string };
  /** How generated programs were run. */
  readonly execution?: ProgramIsolation;
}

export interface TextDescription {
  readonly source: string;
  readonly sha256: string;
  readonly tokens: number;
  /** More than `tokens` where a limit cut the text. */
  readonly allTokens: number;
  readonly bytes: number;
  readonly words: number;
  readonly window: number;
  readonly stride: number;
  /** Of agreement, where the first rows of windows were not compared: the first that was, of each. */
  readonly scoredFrom?: readonly number[];
}

/** What `gateskip eval --out` writes: benchmarks/eval.schema.json. */
export interface EvaluationResults {
  readonly schema: 'gateskip.eval/1';
  readonly created: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly model: { readonly name: string; readonly fingerprint: string; readonly sizeBytes: number };
  readonly adapter: { readonly name: string } | null;
  /** What dense is, where it is not the model of `adapter` with nothing skipped: without any (null) or with another adapter. */
  readonly denseAdapter?: { readonly name: string } | null;
  readonly backend: { readonly name: string; readonly details: Readonly<Record<string, string | number | boolean>> };
  readonly seed: number;
  readonly data: Readonly<Record<string, DataDescription>>;
  readonly texts: { readonly perplexity: TextDescription | null; readonly agreement: TextDescription | null };
  readonly runs: readonly RunResult[];
  /** Budgets that a policy cannot reach. */
  readonly unreached: readonly { readonly label: string; readonly reason: string }[];
}
