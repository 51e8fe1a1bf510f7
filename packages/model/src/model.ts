import type { GateAdapter } from './adapter/gate-adapter.js';
import type { ModelConfig } from './model-config.js';
import type { Tokenizer } from './tokenizer/tokenizer.js';

export type TensorType = 'F32' | 'F16' | 'BF16' | 'Q4_0' | 'Q4_1' | 'Q8_0';

/** Where a tensor's bytes are: a range of a file, or memory (models made by tests and tools). */
export type TensorData =
  | { readonly kind: 'file'; readonly path: string; readonly offset: number; readonly sizeBytes: number }
  | { readonly kind: 'memory'; readonly bytes: Uint8Array };

/** One weight, row-major: `rows` outputs of `columns` inputs each; a vector has one row. Already checked against its file. */
export interface TensorInfo {
  /** Canonical name, see `tensorShapes`. */
  readonly name: string;
  /** Name in the file. */
  readonly sourceName: string;
  readonly type: TensorType;
  readonly rows: number;
  readonly columns: number;
  readonly data: TensorData;
}

/** Everything that a backend needs to run a model, and the text side of it. Owns open files: close it. */
export interface Model {
  readonly config: ModelConfig;
  /** By canonical name. Complete and of the right shapes: `tensorShapes` of the config. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Absent for models made in memory without text. */
  readonly tokenizer?: Tokenizer;
  /** Jinja source of the chat template, if the file has one. */
  readonly chatTemplate?: string;
  /** Gives the adapter's identity check something to hold on to: sha256 over config and tensor directory and sampled bytes. */
  readonly fingerprint: string;
  /** Size of the weights in bytes as stored. */
  readonly sizeBytes: number;
  /** File the model came from, if any. */
  readonly path?: string;
  /** Reads one tensor's stored bytes. @throws ModelIoError */
  read(name: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

export type { GateAdapter };
