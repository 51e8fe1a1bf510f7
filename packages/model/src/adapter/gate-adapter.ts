import type { Calibration, GateSet } from '@gateskip/gate';
import type { BackboneChanges } from './backbone-changes.js';

/** Where an adapter came from; written by the tool that made it, shown by `gateskip inspect` and on its card. */
export interface AdapterProvenance {
  /** `fit`, or the name of a training recipe. */
  readonly method: string;
  /** The command that made it, without machine paths. */
  readonly command: string;
  /** Text it was fitted on, and that text's licence. */
  readonly data: string;
  readonly license: string;
  /** ISO date. */
  readonly created: string;
  /** Version of gateskip. */
  readonly version: string;
}

/** A gate adapter: gates (and stand-ins) for one model, what it changes in the model, and how scores map to budgets. */
export interface GateAdapter {
  /**
   * Version of the file layout; the writer sets it: 3 where stand-ins have maps, else 2 where there are backbone changes, which readers of
   * lower versions refuse.
   */
  readonly formatVersion: 1 | 2 | 3;
  readonly name: string;
  /** {@link Model.fingerprint} of the model it was made for. */
  readonly modelFingerprint: string;
  /** Human name of that model. */
  readonly modelName: string;
  readonly layers: number;
  readonly gates: GateSet;
  /** Low-rank additions and norm weights that were trained together with the gates. Without: the model stays as it is. */
  readonly backbone?: BackboneChanges;
  readonly calibration: Calibration;
  readonly provenance: AdapterProvenance;
}
