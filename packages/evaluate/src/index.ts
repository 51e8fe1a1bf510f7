export type { ProgramFrame } from './data/read-records.js';
export type { RecordPlace } from './errors.js';
export {
  DataMissingError,
  JournalMismatchError,
  LogitsNotFiniteError,
  ProgramRunnerError,
  RecordInvalidError,
  RecordLayoutError,
  ResultsInvalidError,
  ResultsMismatchError,
  TaskInvalidError,
  TextTooLongError,
  UnknownTaskError,
} from './errors.js';
export type { ProgramIsolation } from './execution/isolation.js';
export { describeIsolation } from './execution/isolation.js';
export type { ProgramOutcome, ProgramRunner, ProgramRunnerOptions } from './execution/program-runner.js';
export { createProgramRunner } from './execution/program-runner.js';
export type { EvaluationItem, GenerateItem, ScoredText, ScoreItem } from './items/item.js';
export type { Gsm8kAnswer } from './metrics/gsm8k.js';
export { extractGsm8k, isGsm8kMatch } from './metrics/gsm8k.js';
export type { SquadScore } from './metrics/squad.js';
export { scoreSquad, squadWords } from './metrics/squad.js';
export { renderHtml } from './report/render-html.js';
export { renderComparison, renderMarkdown } from './report/render-markdown.js';
export { renderParetoSvg } from './report/render-pareto-svg.js';
export type { ReportTable } from './report/rows.js';
export { detailsTable, resultsTable } from './report/rows.js';
export type { ComparedMetric, ComparedRuns, CompareOptions } from './run/compare-results.js';
export { compareResults } from './run/compare-results.js';
export type { EvaluateOptions } from './run/evaluate.js';
export { evaluate } from './run/evaluate.js';
export type { PreparedTask, PrepareOptions } from './run/prepare-task.js';
export { prepareTask } from './run/prepare-task.js';
export type { PreparedText } from './run/prepare-text.js';
export { prepareText, readText } from './run/prepare-text.js';
export { readResults } from './run/read-results.js';
export type {
  AgreementResult,
  DataDescription,
  EvaluationResults,
  ItemResult,
  PerplexityResult,
  RunResult,
  SpeedResult,
  Spread,
  TaskResult,
  TextDescription,
  WindowResult,
} from './run/results.js';
export type { RunSetting } from './run/run-setting.js';
export { labelOf, needsScores } from './run/run-setting.js';
export type { SpeedSetting } from './run/run-speed.js';
export type { AgreementSetting, TextSetting } from './run/text-plan.js';
export type { EvaluationProgress } from './run/work-clock.js';
export type { StepLimits } from './scoring/limits.js';
export { stepLimits } from './scoring/limits.js';
export type { GroupScores, ScoreOptions, TextGroup, TextScoring } from './scoring/score-texts.js';
export { scoreGroups } from './scoring/score-texts.js';
export type { TokenScores } from './scoring/text-scores.js';
export type { Held, Usage } from './scoring/usage.js';
export type { PairedDifference } from './statistics/bootstrap.js';
export { pairedBootstrap } from './statistics/bootstrap.js';
export { readTask } from './task/read-task.js';
export type { EvaluationTask, FewShot, Generation, MetricName, RecordLayout, TaskData, TaskFields, TaskKind } from './task/task.js';
export { validateTask } from './task/validate-task.js';
export { taskNamed, tasks } from './tasks/tasks.js';
