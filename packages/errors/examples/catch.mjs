import { isGateskipError, ShapeMismatchError } from '@gateskip/errors';

try {
  throw new ShapeMismatchError('Gate of branch 3', [576], [960], 'Use an adapter that was fitted on this model.');
} catch (error) {
  if (!isGateskipError(error)) throw error;
  console.log(error.code, error.fields.expected, error.fields.got);
  console.log(error.message);
}
