import { prepare, say } from './prepare.mjs';

prepare();
say('built');
