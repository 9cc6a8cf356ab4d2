// A certified OAuth server (oidc-provider), reached under https://op.example through the test gateway. It keeps its
// state in memory and asks for PKCE; refresh tokens rotate, and a used one ends the whole grant.
import * as oidc from 'oidc-provider';

const Provider = oidc.Provider ?? oidc.default;
const issuer = 'https://op.example';
const client = (id, method, secret) => ({
  client_id: id,
  ...(secret && { client_secret: secret }),
  redirect_uris: [process.env.REDIRECT_URI],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: method,
});

const provider = new Provider(issuer, {
  clients: [
    client('in-the-body', 'client_secret_post', process.env.CLIENT_SECRET),
    client('in-the-header', 'client_secret_basic', process.env.CLIENT_SECRET),
    client('public', 'none'),
  ],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (context, asking, code) =>
    asking.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  scopes: ['openid', 'offline_access', 'post:write'],
  findAccount: async (context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  ttl: {
    AccessToken: 3600, AuthorizationCode: 60, RefreshToken: 86400, IdToken: 3600, Interaction: 600, Session: 3600,
    Grant: 86400,
  },
  cookies: { keys: ['only-a-test'] },
});
// Behind the gateway: the public address is in X-Forwarded-Host and X-Forwarded-Proto.
provider.proxy = true;

const server = provider.listen(0, '127.0.0.1', () => console.log(`READY port=${server.address().port}`));
