"""The swarm: many deploys and their watchers at a given rate; how they fare is shown, and the promise is checked."""
