import { conformsUnder } from './conforms-under.js';

conformsUnder({
  name: 'ThreadSanitizer',
  build: 'thread',
  runtimes: ['libtsan.so'],
  // Node itself is not instrumented and gives reports of its own; only those that name the addon count.
  env: { TSAN_OPTIONS: 'exitcode=0:report_bugs=1' },
  refusal: /cannot allocate memory in static TLS block|__tsan|ThreadSanitizer/,
  finding: /WARNING: ThreadSanitizer(?:(?!={18})[\s\S])*(?:gateskip_cpu\.node|gateskip::)/,
});
