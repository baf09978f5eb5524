// Sends a mailing as a program with nodemailer does: fills in the template, rewrites the links, one pool of connections.
const nodemailer = require("nodemailer");
const [port, number] = [Number(process.argv[2]), Number(process.argv[3])];
const content = JSON.parse(require("fs").readFileSync(process.argv[4]));
const transport = nodemailer.createTransport({
  host: "127.0.0.1", port, secure: false, ignoreTLS: true, pool: true, maxConnections: 10, maxMessages: Infinity,
});
const fill = (text, values) => text
  .replace(/\{\{ (\w+)[^}]*\}\}/g, (_, name) => values[name] || "")
  .replace(/https:\/\/www\.example\.org\/(\d+)/g, (_, link) => `https://news.example.org/t/${values.token}${link}`);
let next = 0, done = 0;
const started = process.hrtime.bigint();

function more() {
  if (next >= number) return;
  const n = next++;
  const values = {
    FirstName: "Ada", LastName: `O'Neill-${n}`, City: "Bonn", OrganizationName: "Müller", token: `${"t".repeat(40)}${n}`,
  };
  transport.sendMail({
    from: "news@example.org", to: `person${n}@members.example.org`, subject: fill(content.subject, values),
    html: fill(content.html, values), text: fill(content.text, values),
  }, error => {
    if (error) throw error;
    if (++done === number) {
      const seconds = Number(process.hrtime.bigint() - started) / 1e9, cpu = process.cpuUsage();
      console.log(JSON.stringify({ per_s: number / seconds, cpu_s: (cpu.user + cpu.system) / 1e6 / number }));
      transport.close();
    }
    more();
  });
}
for (let i = 0; i < 20; i++) more();
