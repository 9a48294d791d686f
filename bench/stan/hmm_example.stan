// A hidden Markov model with two states and emissions of sd 1; the states are summed out by the forward recursion.
data {
  int<lower=1> N;
  vector[N] y;
}
parameters {
  simplex[2] theta1;
  simplex[2] theta2;
  positive_ordered[2] mu;
}
model {
  array[2] vector[2] transition; // to a state, from each
  array[2] vector[N] emission;
  vector[2] forward;
  vector[2] next;
  for (k in 1 : 2) {
    transition[k] = log([theta1[k], theta2[k]]');
    emission[k] = -0.5 * square(y - mu[k]);
    forward[k] = emission[k][1];
  }
  for (t in 2 : N) {
    for (k in 1 : 2) {
      next[k] = log_sum_exp(forward + transition[k]) + emission[k][t];
    }
    forward = next;
  }
  mu[1] ~ normal(3, 1);
  mu[2] ~ normal(10, 1);
  target += log_sum_exp(forward);
}
