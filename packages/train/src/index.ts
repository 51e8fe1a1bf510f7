export { TeacherNotFiniteError, TrainingTextInvalidError, TrainingTextTooShortError } from './data/errors.js';
export {
  type GeneratedTrainingText,
  type GenerateTrainingTextOptions,
  type GenerationReport,
  generateTrainingText,
  type TextWriter,
} from './data/generate-training-text.js';
export { type PackOptions, packMicroBatches } from './data/pack-micro-batches.js';
export { builtInTrainingPrompts } from './data/prompts/built-in-prompts.js';
export { readTrainingPrompts } from './data/prompts/read-prompts.js';
export type { TrainingPrompt } from './data/prompts/training-prompt.js';
export {
  type FileReport,
  type FileTrainingText,
  type ReadTrainingTextRequest,
  readTrainingText,
  type TextFormat,
  type TextReport,
} from './data/read-training-text.js';
export {
  type RunnerTeacher,
  type RunnerTeacherOptions,
  runnerTeacher,
  type TeacherSource,
  type TeacherStatistics,
} from './data/runner-teacher.js';
export { type SplitOptions, type SplitText, splitHeldOut } from './data/split-held-out.js';
export type { TextPhase, TextProgress } from './data/text-progress.js';
export type { MicroBatch, Teacher, TeacherRows, TrainingSequence, TrainingText } from './data/training-text.js';
export { CannotDistillError, NonFiniteTraceError, NothingToFitError, TooLittleTextError } from './errors.js';
export type { MeasuredKnot } from './fit/calibrate.js';
export { type CalibratedGates, type CalibrateGatesRequest, calibrateGates } from './fit/calibrate-gates.js';
export {
  checkDistill,
  type DistillOptions,
  type DistillReport,
  type DistillRequest,
  type DistillResult,
  distillGates,
} from './fit/distill-gates.js';
export { checkFit, type FitReport, type FitRequest, type FitResult, fitAdapter } from './fit/fit-adapter.js';
export type { FitOptions, ImportanceMeasure, ResolvedFitOptions } from './fit/fit-options.js';
export type { ScoreHeadQuality } from './fit/score-heads.js';
export type { AdamWOptions, AdamWState, OptimizedParameter } from './optimizer/adam-w.js';
export { AdamW } from './optimizer/adam-w.js';
export { clipGradients, gradientNorm } from './optimizer/gradient-clipping.js';
export type { LearningRateSchedule } from './optimizer/learning-rate.js';
export { learningRateAt } from './optimizer/learning-rate.js';
export { decodeAdamWState, encodeAdamWState } from './optimizer/state-bytes.js';
export { ProfileInvalidError, ProfileMismatchError } from './profile/errors.js';
export { type ModelProfile, PROFILE_FORMAT } from './profile/model-profile.js';
export { assertProfileFits, parseProfile, profileJson, readProfile, writeProfile } from './profile/profile-file.js';
export { type ProfileRequest, profileModel } from './profile/profile-model.js';
export type { ProfileOptions, ResolvedProfileOptions } from './profile/profile-options.js';
export { withProfileStandIns } from './profile/profile-stand-ins.js';
export { type UpdateScoresRequest, updateScores } from './profile/update-scores.js';
export type { FitPhase, FitProgress, ProfilePhase, ProfileProgress } from './progress.js';
export { builtInRecipe, type RecipeName, recipeNames } from './recipes/built-in-recipes.js';
export { RecipeInvalidError } from './recipes/errors.js';
export { parseRecipe } from './recipes/parse-recipe.js';
export {
  type GateStart,
  type OptimizerRecipe,
  RECIPE_FORMAT,
  type SkipRecipe,
  type StaticDrop,
  type TrainingRecipe,
} from './recipes/recipe.js';
export { trainingCurveSvg } from './run/curve-svg.js';
export { CheckpointInvalidError, RunFolderError, TrainingDivergedError } from './run/errors.js';
export { agreementAt, type HeldOutCurve, type HeldOutPoint, klAt } from './run/held-out-curve.js';
export { trainAdapter } from './run/train-adapter.js';
export type { TrainedModel, TrainPhase, TrainProgress, TrainReport, TrainRequest, TrainResult } from './run/train-request.js';
export { type CalibrationText, type CalibrationTextRequest, generateCalibrationText } from './text/generate-calibration-text.js';
