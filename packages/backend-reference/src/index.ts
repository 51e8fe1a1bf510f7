export { referenceBackend } from './reference-backend.js';
