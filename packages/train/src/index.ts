export { NonFiniteTraceError, NothingToFitError, TooLittleTextError } from './errors.js';
export type { MeasuredKnot } from './fit/calibrate.js';
export { checkFit, type FitReport, type FitRequest, type FitResult, fitAdapter } from './fit/fit-adapter.js';
export type { FitOptions, ResolvedFitOptions } from './fit/fit-options.js';
export type { FitPhase, FitProgress } from './progress.js';
export { calibrationPrompts } from './text/calibration-prompts.js';
export { type CalibrationText, type CalibrationTextRequest, generateCalibrationText } from './text/generate-calibration-text.js';
