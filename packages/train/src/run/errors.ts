import { GateskipError } from '@gateskip/errors';

/** Training left the ground: a loss or gradient that is not finite, or far too large. `fields.checkpoint` is the last good state. */
export class TrainingDivergedError extends GateskipError {
  constructor(what: string, got: number, limit: number | undefined, step: number, checkpoint: string | undefined) {
    const where = checkpoint === undefined ? 'There is no checkpoint before it.' : `The last good checkpoint is ${checkpoint}.`;
    super(
      'GS_TRAINING_DIVERGED',
      `Training diverged at step ${step}: the ${what} is ${got}${limit === undefined ? '' : `, above the limit of ${limit}`}. ${where}`,
      'Start again with lower learning rates or a longer warm-up, or resume from the checkpoint with other text.',
      { what, step, got, limit, checkpoint },
    );
  }
}

/** A checkpoint is damaged, or of another run. */
export class CheckpointInvalidError extends GateskipError {
  constructor(path: string, why: string) {
    super('GS_CHECKPOINT_INVALID', `Checkpoint ${path}: ${why}.`, 'Resume from an older one, or begin in another folder.', { what: path });
  }
}

/** A run folder cannot be used as asked: there is a run in it already, none to resume, or one of other settings. */
export class RunFolderError extends GateskipError {
  constructor(folder: string, why: string, remedy: string) {
    super('GS_RUN_FOLDER', `Run folder ${folder}: ${why}.`, remedy, { what: folder });
  }
}
