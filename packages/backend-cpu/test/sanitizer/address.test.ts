import { conformsUnder } from './conforms-under.js';

conformsUnder({
  name: 'AddressSanitizer and UndefinedBehaviorSanitizer',
  build: 'address',
  runtimes: ['libasan.so', 'libubsan.so'],
  env: { ASAN_OPTIONS: 'detect_leaks=0', UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1' },
  refusal: /ASan runtime does not come first|AddressSanitizer|__asan/,
  finding: /ERROR: AddressSanitizer|runtime error:/,
});
