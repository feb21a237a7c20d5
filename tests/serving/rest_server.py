"""A server on loopback, in a thread of the test process, and a small client."""

import http.client
import json
import threading


class Server:
    """`with Server(app) as server: server.post({...})`."""

    def __init__(self, app, name="small"):
        import uvicorn

        self.name = name
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="on")
        self.uvicorn = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.uvicorn.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        while not self.uvicorn.started:
            if not self.thread.is_alive():
                raise RuntimeError("the server did not start")
            threading.Event().wait(0.01)
        self.port = self.uvicorn.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *exc):
        self.uvicorn.should_exit = True
        self.thread.join(timeout=30)

    def request(self, method, path, body=None, headers=None):
        """Status and parsed body (text where it is not JSON)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.headers.get_content_type() == "application/json":
            return response.status, json.loads(text)
        return response.status, text.decode()

    def get(self, path):
        return self.request("GET", path)

    def post(self, value, path=None):
        """Predict; `value` is JSON, or bytes to send as they are."""
        body = value if isinstance(value, bytes) else json.dumps(value)
        return self.request("POST", path or f"/v1/models/{self.name}:predict", body)
