/** One sequence to train on. */
export interface TrainingSequence {
  /** [n], n at least 2. */
  readonly tokens: Int32Array;
  /** Importance of the prediction that each row makes (of the next token): [n]. 0 = part of a prompt, or the last row. */
  readonly rowWeights: Float32Array;
}

/** What a run trains on and is judged by. */
export interface TrainingText {
  readonly train: readonly TrainingSequence[];
  readonly heldOut: readonly TrainingSequence[];
  /** For the provenance. */
  readonly description: string;
  readonly license: string;
  /** Of tokens, weights and split: a resumed run checks it. */
  readonly fingerprint: string;
}

/** The likeliest K tokens of the dense model at each of n rows and the mass of all others. */
export interface TeacherRows {
  /** K */
  readonly count: number;
  /** [n, K], likeliest first. */
  readonly tokens: Int32Array;
  /** Natural logarithms: [n, K]. */
  readonly logProbabilities: Float32Array;
  /** Probability of all tokens but the K: [n]. */
  readonly tailMass: Float32Array;
}

/** What the dense model would predict, row by row. */
export interface Teacher {
  /** Of all rows of one sequence. */
  rows(sequence: TrainingSequence, signal?: AbortSignal): Promise<TeacherRows>;
  close(): Promise<void>;
}

/** Sequences, or pieces of them, packed one after another without padding: N rows of S segments. */
export interface MicroBatch {
  /** [N] */
  readonly tokens: Int32Array;
  /** [S], their sum is N. */
  readonly segmentLengths: Int32Array;
  /** [N] */
  readonly rowWeights: Float32Array;
  /** What each segment is: [S]. */
  readonly sequences: readonly TrainingSequence[];
}
