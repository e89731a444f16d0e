// Prints {"url": …} when it listens on a free port of loopback; ends when its standard input does.
import { createEmulator } from "emulate";

const { ACCOUNT_SID, AUTH_TOKEN, NUMBER, SMS_URL } = process.env;
const twilio = {
  account: { sid: ACCOUNT_SID, auth_token: AUTH_TOKEN },
  phone_numbers: [{ phone_number: NUMBER, sms_url: SMS_URL, sms_method: "POST" }],
};
const emulator = await createEmulator({ service: "twilio", hostname: "127.0.0.1", port: 0, seed: { twilio } });
console.log(JSON.stringify({ url: emulator.url }));
process.stdin.on("end", () => emulator.close().then(() => process.exit(0))).resume();
