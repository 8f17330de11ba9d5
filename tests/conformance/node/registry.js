// azure-iothub's registry: each line of input is ["method", argument...]; each line of output its result.
'use strict';
const { Registry } = require('azure-iothub');
const { print, eachLine, errorOf } = require('./arguments');

const registry = Registry.fromConnectionString(process.argv[2]);

eachLine(async ([method, ...given]) => {
  try {
    const result = await registry[method](...given);
    print({ result: result.responseBody, status: result.httpResponse.statusCode });
  } catch (error) {
    print(errorOf(error));
  }
});
