import type { BranchProfile } from '@gateskip/scheduler';

/** What dropping and skipping would cost in a model, measured on a text of the dense model. */
export interface ModelProfile extends BranchProfile {
  readonly format: 'gateskip.profile/1';
  readonly model: {
    readonly name: string;
    readonly fingerprint: string;
    readonly layers: number;
    readonly hiddenSize: number;
  };
  readonly text: {
    readonly description: string;
    /** Tokens that block influence, norms and mean outputs are of, pinned ones left out. */
    readonly tokens: number;
    /** Tokens run without each branch, and those of them whose predictions were compared. */
    readonly removalTokens: number;
    readonly removalRows: number;
    readonly windowTokens: number;
    /** First tokens of each window that are not measured and never dropped: their activations are outliers. */
    readonly pinnedTokens: number;
  };
  /** Share of compared predictions whose likeliest token stays the dense model's without the branch: [2L]. */
  readonly removalTop1: readonly number[];
  /** Mean of ||output|| / ||residual stream before it||: [2L]. */
  readonly relativeNorms: readonly number[];
  /** Mean output of each branch, for stand-ins: [2L, d]. */
  readonly meanOutputs: Float32Array;
}

/** What profiles of this version are called in files. */
export const PROFILE_FORMAT = 'gateskip.profile/1';
