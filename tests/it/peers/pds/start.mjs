// A real personal data server and the directory of identities that it needs, both in memory or in SCRATCH, on free
// ports. The server takes itself for https://pds.example: whoever starts it forwards that name to its port.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import plc from '@did-plc/server';
import { PDS, envToCfg, envToSecrets } from '@atproto/pds';

const dir = process.env.SCRATCH;
mkdirSync(join(dir, 'blobs'), { recursive: true });
const hex = () => randomBytes(32).toString('hex');

const directory = plc.PlcServer.create({ db: plc.Database.mock(), port: 0 });
const plcPort = (await directory.start()).address().port;
const env = {
  devMode: true,
  port: 0,
  hostname: 'pds.example',
  dataDirectory: dir,
  blobstoreDiskLocation: join(dir, 'blobs'),
  didPlcUrl: `http://127.0.0.1:${plcPort}`,
  adminPassword: hex(),
  jwtSecret: hex(),
  dpopSecret: hex(),
  plcRotationKeyK256PrivateKeyHex: hex(),
  serviceHandleDomains: ['.test'],
  inviteRequired: false,
  disableSsrfProtection: true,
  // There is no view of the network here: what would go to it is answered 502, as in an outage.
  bskyAppViewUrl: 'http://127.0.0.1:1',
  bskyAppViewDid: 'did:example:invalid',
  modServiceUrl: 'http://127.0.0.1:1',
  modServiceDid: 'did:example:invalid',
  crawlers: [],
};
const pds = await PDS.create(envToCfg(env), envToSecrets(env));
const pdsPort = (await pds.start()).address().port;
console.log(`READY pds=${pdsPort} plc=${plcPort}`);
