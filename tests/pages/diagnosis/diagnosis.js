// Runs the diagnosis of the client library as a page would and keeps every report for the test to read.
import { diagnose } from '@conclave/client';

window.diagnosis = {
  reports: [],
  async run(options) {
    for await (const report of diagnose(options)) this.reports.push(report);
    return this.reports.at(-1);
  },
};
window.ready = true;
