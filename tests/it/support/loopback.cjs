// Binds every TCP listener of this process to 127.0.0.1, whatever address it asks for.
const net = require('node:net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  const [first] = args;
  const done = args.find((arg) => typeof arg === 'function');
  if (typeof first === 'number' || (typeof first === 'string' && /^\d+$/.test(first))) {
    return listen.call(this, { port: Number(first), host: '127.0.0.1' }, done);
  }
  if (first && typeof first === 'object' && 'port' in first) args[0] = { ...first, host: '127.0.0.1' };
  return listen.apply(this, args);
};
